"""What models share that are trained on tiles and evaluated on whole images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from mmdefect.errors import InputError

__all__ = ['name_as_inner', 'whole_image']


def whole_image(inputs: Tensor, sample: Any, model: nn.Module) -> npt.NDArray[Any]:
    """Take the pixels of a packed image that nothing but loading has touched.

    Args:
        inputs (Tensor): As packed, shape (channels, h, w).
        sample (BaseDataElement): Its meta keys ``img_path``, ``ori_shape`` and ``flip``.
        model (nn.Module): Who cuts the tiles, for the message.

    Returns:
        np.ndarray: Shape (h, w, channels).

    Raises:
        InputError: The image has another size or is mirrored.
    """
    shape, original = tuple(inputs.shape[-2:]), tuple(sample.ori_shape[:2])
    if shape != original or sample.get('flip', False):
        raise InputError(
            f'{sample.get("img_path")}: the test pipeline makes {shape[1]}x{shape[0]} of an image '
            f'of {original[1]}x{original[0]} pixels before tiles are cut; move Resize and its '
            f"like into the key 'pipeline' of mmdefect.{type(model).__name__}"
        )
    return np.asarray(inputs.permute(1, 2, 0).cpu().numpy())


def name_as_inner(model: nn.Module, attribute: str) -> None:
    """Save and load the weights of a wrapper under the names that the model inside gives them.

    So a checkpoint of the one serves the other.

    Args:
        model (nn.Module): The wrapper; all its weights are those of the model inside.
        attribute (str): Where the model inside is.

    Example:
        >>> wrapper = nn.ModuleDict({'inner': nn.Linear(1, 1)})
        >>> name_as_inner(wrapper, 'inner')
        >>> list(wrapper.state_dict())
        ['weight', 'bias']
    """
    inner = f'{attribute}.'

    def drop(module: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        for key in [key for key in state if key.startswith(prefix + inner)]:
            state[prefix + key[len(prefix + inner) :]] = state.pop(key)

    def add(module: Any, state: dict[str, Any], prefix: str, *args: Any) -> None:
        for key in [key for key in state if key.startswith(prefix)]:
            if not key.startswith(prefix + inner):
                state[prefix + inner + key[len(prefix) :]] = state.pop(key)

    model.register_state_dict_post_hook(drop)
    model.register_load_state_dict_pre_hook(add)
