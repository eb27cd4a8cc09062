"""``torch.distributed.run``, but bad input ends it with exit code 2, as it ends one process."""

import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == '__main__':
    try:
        main()
    except ChildFailedError as error:
        # Its process has said on standard error what is wrong.
        if error.get_first_failure()[1].exitcode == 2:
            sys.exit(2)
        raise
