"""The head's number of classes against the data set's."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['ClassCountHook', 'check_class_count']


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Refuse to start when a head has another number of classes than the data set.

    Unchecked, a label beyond the head's last class trains as background, without a word.

    Args:
        **unknown: Refused.

    Example:
        >>> ClassCountHook().priority
        'NORMAL'
    """

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('ClassCountHook', unknown, ())

    def before_train(self, runner: Any) -> None:
        """Check against the training set.

        Args:
            runner (Runner): The runner.
        """
        check_class_count(runner.model, runner.train_dataloader.dataset)

    def before_val(self, runner: Any) -> None:
        """Check against the validation set.

        Args:
            runner (Runner): The runner.
        """
        check_class_count(runner.model, runner.val_dataloader.dataset)

    def before_test(self, runner: Any) -> None:
        """Check against the test set.

        Args:
            runner (Runner): The runner.
        """
        check_class_count(runner.model, runner.test_dataloader.dataset)


def check_class_count(model: Any, dataset: Any) -> None:
    """Compare the heads of a model with the classes of a data set.

    Args:
        model (nn.Module): A detector.
        dataset (Dataset): A data set with ``metainfo``.

    Raises:
        InputError: A head has another number of classes.

    Example:
        >>> from torch import nn
        >>> check_class_count(nn.Identity(), [])
    """
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if not classes:
        return
    model = model.module if is_model_wrapper(model) else model
    for name, module in model.named_modules():
        count = getattr(module, 'num_classes', None)
        part = name.rpartition('.')[2]
        # An RPN always has one class, "object", and so has no name to compare.
        is_head = part == 'head' or (part.endswith('_head') and part != 'rpn_head')
        if is_head and isinstance(count, int) and count != len(classes):
            raise InputError(
                f'model.{name}.num_classes is {count}, but the data set has {len(classes)} '
                f'classes ({", ".join(classes)}); set num_classes={len(classes)}'
            )
