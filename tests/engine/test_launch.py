import os
import signal

import pytest

from mmdefect.engine.launch import run
from mmdefect.errors import InputError


def raises(error):
    def command(arguments):
        raise error

    return command


@pytest.mark.parametrize(
    ('error', 'code', 'line'),
    [
        (InputError('a.py: no such file'), 2, 'mmdefect: a.py: no such file\n'),
        (
            InputError('Caught InputError in worker 0.\n  Traceback\nx.InputError: a.jpg: torn'),
            2,
            'mmdefect: a.jpg: torn\n',
        ),
        (
            TypeError("FocalLoss.__init__() got an unexpected keyword argument 'gama'"),
            2,
            "mmdefect: FocalLoss has no key 'gama'; correct it in the config or the options\n",
        ),
        (
            KeyboardInterrupt(),
            130,
            'mmdefect: stopped; --resume goes on from the last checkpoint\n',
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(error, code, line, capsys):
    with pytest.raises(SystemExit) as caught:
        run(raises(error))
    assert caught.value.code == code
    assert capsys.readouterr().err == line


def test_other_errors_keep_their_traceback():
    with pytest.raises(TypeError, match='unsupported operand'):
        run(raises(TypeError('unsupported operand')))


@pytest.mark.skipif(os.name == 'nt', reason='Windows kills at once')
def test_sigterm_is_a_stop_too(capsys):
    before = signal.getsignal(signal.SIGTERM)

    def command(arguments):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as caught:
        run(command)
    assert caught.value.code == 143
    assert capsys.readouterr().err == (
        'mmdefect: stopped; --resume goes on from the last checkpoint\n'
    )
    assert signal.getsignal(signal.SIGTERM) is before
