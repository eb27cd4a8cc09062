"""Frequent failures of a stack, in one line each with their cure."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from mmengine import registry as root

from mmdefect.errors import InputError, nearest_name, one_line

__all__ = ['Failure', 'as_input_error', 'explain', 'unknown_type']

# Packages whose classes are worth naming; others only carry the call.
_NAMED = ('mmdefect', 'mmdet', 'mmcv', 'mmengine', 'mmpretrain')
_CARRIERS = ('mmengine.registry', 'mmengine.runner', 'mmengine.config', 'mmdefect.engine.check')
_GREY = (
    "put dict(type='mmdefect.ToGrey') before the packing step and load with "
    "dict(type='mmdefect.LoadImage', channels=3)"
)
_ONE_CHANNEL = (
    'for grey images set model.backbone.in_channels=1 and one mean and std with '
    "bgr_to_rgb=False, or load with dict(type='mmdefect.LoadImage', channels=3)"
)
_META = "pack with dict(type='mmdefect.PackInputs'), or add it to meta_keys of PackDetInputs"

# First pattern that is found in "TypeName: message" of the failure -> cure. `{0}`, `{1}` are the
# groups of the pattern.
_CURES: tuple[tuple[str, str], ...] = (
    # Channels.
    (r'expected input.* to have 3 channels, but got 1 channels', _ONE_CHANNEL),
    (r'mean has 3 values, the input tensor', _ONE_CHANNEL),
    (r'index 2 is out of bounds for dimension 0 with size 1', _ONE_CHANNEL),
    (
        r'expected input.* to have 1 channels, but got 3 channels',
        "load with dict(type='mmdefect.LoadImage', channels=1), or set "
        'model.backbone.in_channels=3',
    ),
    (
        r'expected input.* to have (\d+) channels, but got (\d+) channels',
        'the part before gives {1} channels; set in_channels of this one (neck, head) to {1}',
    ),
    (r'scn.* is 1|Invalid number of channels in input image', _GREY),
    (r'too many indices for array: array is 2-dimensional', _GREY),
    (r'not enough values to unpack \(expected 3, got 2\)', _GREY),
    (r'Expected the num of elements in tuple equals the channels', _GREY),
    (
        r"arrays used as indices must be of integer|ufunc 'right_shift' not supported",
        'this augmentation takes 8-bit images only; leave it out for deeper ones',
    ),
    (
        r'Layout of the output array .* incompatible with cv::Mat',
        'put YOLOXHSVRandomAug before RandomFlip: OpenCV refuses mirrored views',
    ),
    # Devices and precision.
    (
        r'SyncBatchNorm expected input tensor to be on GPU',
        "set norm_cfg=dict(type='BN'): SyncBN exists on GPUs only",
    ),
    (
        r'Amp\w*Wrapper.*only available',
        "set optim_wrapper.type='mmdefect.AmpOptimWrapper', or train with --amp",
    ),
    (
        r'out of memory|not enough memory|DefaultCPUAllocator|^MemoryError',
        'lower train_dataloader.batch_size or the image size',
    ),
    (
        r'Expected more than 1 value per channel when training',
        'a batch of one image cannot train BatchNorm here; set batch_size to 2 or more',
    ),
    # Loader.
    (
        r'persistent_workers option needs num_workers > 0',
        'with num_workers=0 set persistent_workers=False',
    ),
    (
        r'prefetch_factor option could only be specified in multiprocessing',
        'with num_workers=0 leave prefetch_factor out',
    ),
    (
        r'DataLoader worker .* (exited unexpectedly|is killed)|received 0 items of ancdata|'
        r'unable to (open|allocate) shared memory|Too many open files|No space left on device',
        'a loader process died, mostly for lack of (shared) memory; set num_workers=0 to see its '
        'own error, or fewer workers',
    ),
    (
        r'Cannot re-initialize CUDA in forked subprocess',
        "set env_cfg.mp_cfg.mp_start_method='spawn', or keep CUDA out of the data set",
    ),
    (r"Can't pickle|cannot pickle", 'the data set must be picklable where workers are spawned'),
    (
        r'Cannot find valid image after',
        'the pipeline drops images one after the other: check img_path, and let it keep images '
        'without boxes (allow_negative_crop=True, keep_empty=False)',
    ),
    # Meta keys.
    (
        r"'?DetDataSample'? object has no attribute '(homography_matrix|flip\w*|scale_factor|"
        r"ori_shape|img_shape|img_id|instances|img_path)'",
        "'{0}' does not reach the model; " + _META,
    ),
    (r"KeyError: '?(instances|img_id|ori_shape|scale_factor)", _META),
    # Weights.
    (
        r'(URLError|HTTPError|ConnectionError|Temporary failure in name resolution|'
        r'Name or service not known|Max retries exceeded)',
        'weights cannot be downloaded; give a local file in load_from and set init_cfg=None',
    ),
    (
        r'(checkpoint|\.pth).*(can not be found|No such file|does not exist)|'
        r'(can not be found|No such file|does not exist).*\.pth|\.pth can not be found',
        'give an existing file in load_from (or in init_cfg.checkpoint), or set it to None',
    ),
    # Classes and heads.
    (
        r'num_classes .*does not matches the length of CLASSES (\d+)',
        'set num_classes of the head to {0}',
    ),
    (
        r'There is no valid anchor inside the image boundary',
        'the smallest anchors are larger than the image: lower octave_base_scale or scales, or '
        'set train_cfg.allowed_border=-1',
    ),
    # Config.
    (
        r'None is not a callable object',
        'a type is not registered, mostly optim_wrapper.optimizer.type; correct it',
    ),
    (
        r"No module named '([\w.]+)'",
        'install {0}, or correct custom_imports',
    ),
    (
        r'num_samples should be a positive integer|dataset_size .*0',
        'the data set is empty: check ann_file, data_prefix and the class names',
    ),
)
_FILE_MISSING = re.compile(r"No such file or directory: '?([^'\n]+)'?|([^\s:]+) does not exist")
_UNKNOWN_TYPE = re.compile(r'([\w.]+) is not in the ([\w.]+)::([\w ]+?) registry')
_UNKNOWN_KEY = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
_MISSING_KEY = re.compile(
    r'(\w+)\.__init__\(\) missing \d+ required (?:positional|keyword-only) arguments?: (.+)'
)
_LAST_FRAME = re.compile(r'File "([^"]+)", line \d+, in (\w+)')


@dataclass(frozen=True)
class Failure:
    """The first failure of a run.

    Args:
        stage (str): What was being done.
        component (str): Class in which it happened; empty where none is to blame.
        message (str): The failure's own message, in one line.
        cure (str): What to do about it; empty where it is not a known one.

    Example:
        >>> str(Failure('iteration 1', 'ResNet', 'expected 3 channels, got 1', 'set in_channels'))
        'iteration 1: ResNet: expected 3 channels, got 1; set in_channels'
    """

    stage: str
    component: str
    message: str
    cure: str

    def __str__(self) -> str:
        """One line."""
        parts = [part for part in (self.stage, self.component, self.message) if part]
        return ': '.join(parts) + (f'; {self.cure}' if self.cure else '')

    def to_dict(self) -> dict[str, str]:
        """Give the failure as JSON-serialisable values.

        Returns:
            dict[str, str]: The fields.
        """
        return dict(vars(self))


def explain(error: BaseException, stage: str = '') -> Failure:
    """Say in one line what failed, where, and what to do about it.

    Args:
        error (BaseException): What was raised.
        stage (str): What was being done. Default empty.

    Returns:
        Failure: An :class:`~mmdefect.errors.InputError` is its own cure.

    Example:
        >>> error = RuntimeError('SyncBatchNorm expected input tensor to be on GPU')
        >>> explain(error, 'iteration 1').cure
        "set norm_cfg=dict(type='BN'): SyncBN exists on GPUs only"
    """
    if isinstance(error, InputError):
        return Failure(stage, '', str(error), '')
    kind, text = _message(error)
    component = _component(error)
    cure = _cure(f'{kind}: {text}')
    if not text:
        text = _place(error)
    plain = kind in ('ValueError', 'RuntimeError', 'AssertionError', 'Exception')
    return Failure(stage, component, one_line(text if plain else f'{kind}: {text}'), cure)


def as_input_error(error: Exception, where: str) -> InputError:
    """Turn whatever was raised into the one-line error of commands.

    Args:
        error (Exception): What was raised.
        where (str): File or key that it happened with.

    Returns:
        InputError: ``error`` itself where it is one.

    Example:
        >>> str(as_input_error(ValueError('persistent_workers option needs num_workers > 0'), 'c'))
        'c: persistent_workers option needs num_workers > 0; with num_workers=0 set \
persistent_workers=False'
    """
    if isinstance(error, InputError):
        return error
    return InputError(str(explain(error, where)))


def unknown_type(error: KeyError) -> str | None:
    """Say in one line which ``type`` of a config no registry knows.

    Args:
        error (KeyError): What was raised.

    Returns:
        str | None: The line, with the nearest known name; None where the error is another one.

    Example:
        >>> unknown_type(KeyError('Qqqqqq is not in the mmdet::model registry. Please check'))
        'Qqqqqq is not in the mmdet::model registry; correct the type, or import its module'
    """
    match = _UNKNOWN_TYPE.search(_message(error)[1])
    return f'{match[0]}; {_unknown_type(match)}' if match else None


def _message(error: BaseException) -> tuple[str, str]:
    """Type and message; of an error in a loader's worker those of the original."""
    kind, text = type(error).__name__, str(error).strip()
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0]).strip()
    if text.startswith('Caught ') and '\n' in text:
        kind, _, text = text.strip().splitlines()[-1].partition(': ')
    # Some messages of OpenCV and PyTorch are pages long; what matters comes first.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return kind, ' '.join(lines[:4])


def _place(error: BaseException) -> str:
    """Where an error without a message was raised, and the line of code."""
    steps = traceback.extract_tb(error.__traceback__)
    if not steps:
        return type(error).__name__
    file = steps[-1].filename.replace('\\', '/').rsplit('/', 1)[-1]
    return f'{file}, line {steps[-1].lineno}: {steps[-1].line}'


def _component(error: BaseException) -> str:
    """The innermost object of the stack at work."""
    step: TracebackType | None = error.__traceback__
    found = ''
    while step is not None:
        owner = step.tb_frame.f_locals.get('self')
        kind = owner if inspect.isclass(owner) else type(owner)
        module = kind.__module__ or ''
        known = module.split('.')[0] in _NAMED or not module.startswith(('torch', 'builtins'))
        if owner is not None and known and not module.startswith(_CARRIERS):
            found = kind.__name__
        step = step.tb_next
    text = str(error)
    if text.startswith('Caught '):
        frames = [
            (file, function)
            for file, function in _LAST_FRAME.findall(text)
            if any(f'{name}' in file for name in _NAMED) and 'torch' not in file
        ]
        if frames:
            file, function = frames[-1]
            found = f'{file.replace(chr(92), "/").rsplit("/", 1)[-1]}, {function}'
    return found


def _cure(text: str) -> str:
    for pattern, cure in _CURES:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            return cure.format(*(group or '' for group in match.groups()))
    for pattern_, answer in _ANSWERS:
        match = pattern_.search(text)
        if match:
            return answer(match)
    return ''


def _unknown_type(match: re.Match[str]) -> str:
    name = match.group(1)
    known: set[str] = set()
    for value in vars(root).values():
        if isinstance(value, root.Registry) and value.name == match.group(3):
            known |= _names(value)
    near = nearest_name(name.split('.')[-1], known)
    return f'did you mean {near!r}?' if near else 'correct the type, or import its module'


def _names(registry: Any) -> set[str]:
    names = set(registry.module_dict)
    for child in registry.children.values():
        names |= _names(child)
    return names


def _unknown_key(match: re.Match[str]) -> str:
    component, key = match.groups()
    for value in vars(root).values():
        if not isinstance(value, root.Registry):
            continue
        for kind in _classes(value, component):
            near = nearest_name(key, inspect.signature(kind).parameters)
            if near:
                return f'did you mean {near!r}?'
    return f'remove {key!r} or correct its name'


def _classes(registry: Any, name: str) -> list[Any]:
    found = [registry.module_dict[name]] if name in registry.module_dict else []
    for child in registry.children.values():
        found += _classes(child, name)
    return found


_ANSWERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_UNKNOWN_TYPE, _unknown_type),
    (_UNKNOWN_KEY, _unknown_key),
    (_MISSING_KEY, lambda match: f'set {match.group(2)} of {match.group(1)}'),
    (
        _FILE_MISSING,
        lambda match: (
            f'{match.group(1) or match.group(2)} is missing: correct data_root, '
            'ann_file or data_prefix, or write the data first'
        ),
    ),
)
