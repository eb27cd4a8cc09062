"""What an audit looks for: how severe each kind of finding is, why, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ['KINDS', 'Kind', 'Severity']

Severity = Literal['problem', 'note']


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Args:
        title (str): What pages and tables call it.
        severity ('problem' | 'note'): A problem costs accuracy, or makes the numbers of an
            evaluation wrong, as long as it stands; a note is worth knowing, and right in many
            data sets.
        about (str): What is looked for, with its limits, and what it does to a training.
        mend (str): How to mend it.

    Example:
        >>> KINDS['leak'].severity
        'problem'
    """

    title: str
    severity: Severity
    about: str
    mend: str


KINDS: dict[str, Kind] = {
    # What cannot be used as it stands.
    'unusable': Kind(
        'Cannot be read',
        'problem',
        'Images, annotation files or boxes that the reader cannot use: missing, damaged, without '
        'area, of unknown class.',
        'each line says how; a key that it names is an option of the command (`--unlabelled good`, '
        '`--classes`) and an argument of the reader in a config',
    ),
    'unreadable-image': Kind(
        'Image cannot be decoded',
        'problem',
        'The whole file is decoded strictly: a truncated image ends a training after hours.',
        'copy the image again from its source, or remove it and its boxes',
    ),
    'size-mismatch': Kind(
        'Image has another size than annotated',
        'problem',
        'Boxes drawn on another size or orientation lie in the wrong place.',
        'draw the boxes on the upright image (after EXIF rotation) in its full size, or correct '
        'width and height',
    ),
    # What makes an evaluation too good.
    'leak': Kind(
        'Same image in two splits',
        'problem',
        'An image of one split has the same bytes as one of another split or looks nearly the '
        'same (perceptual hash, then correlation of thumbnails 0.98 or more): the '
        'evaluation tells how well the model remembers.',
        'put both images into one split; `mmdefect split --group` keeps parts together. Different '
        'parts in one fixture may be named by mistake: compare the pictures',
    ),
    'part-leak': Kind(
        'Same part in two splits',
        'problem',
        'Images of one part_id stand in two splits: the same defect is learned and judged.',
        'split by part: `mmdefect split --group part_id`',
    ),
    'no-box': Kind(
        'Nothing is labelled',
        'problem',
        'Not one image has a box: read as it is, every image is a good part.',
        'check the path; name the format with --format where annotations lie beside other files',
    ),
    # What contradicts itself.
    'repeated-image': Kind(
        'Image listed twice',
        'problem',
        'A split names the same file more than once.',
        'keep one entry with all its boxes',
    ),
    'conflicting-labels': Kind(
        'Same image, other boxes',
        'problem',
        'Two files of a split have equal bytes and different boxes: one of them is wrong.',
        'keep the image whose boxes are right',
    ),
    'same-box-twice': Kind(
        'Same box twice',
        'problem',
        'Two boxes of one class in an image with IoU 0.9 or more: one defect counts twice.',
        'delete one of the two',
    ),
    'two-classes-one-box': Kind(
        'Two classes on one box',
        'problem',
        'Two boxes of different classes in an image with IoU 0.9 or more: the model is told both.',
        'keep the right class, or make one class of the two',
    ),
    'similar-class-names': Kind(
        'Class names that differ in spelling only',
        'problem',
        'Two class names are equal but for capitals, spaces, hyphens and underscores.',
        'rename one of them',
    ),
    'unknown-class': Kind(
        'Class that is not wanted',
        'problem',
        'Boxes have a class that the config or --classes lacks; training would stop there.',
        'rename the class of these boxes, or add it to the classes',
    ),
    'class-not-in-train': Kind(
        'Class without training boxes',
        'problem',
        'A split that is evaluated has boxes of a class that the first split lacks: all of them '
        'will be missed.',
        'split anew, spreading classes evenly (`mmdefect split`), or label some for training',
    ),
    'corner-base': Kind(
        'Corners counted from the other base',
        'problem',
        'The boxes at the image borders say that corners count from 0 where the reader takes them '
        'to count from 1, or the other way round: all boxes are one pixel off.',
        'set one_based as said (`mmdefect convert voc --zero-based`)',
    ),
    # Boxes that can hardly be meant.
    'cut-box': Kind(
        'One defect cut in pieces',
        'problem',
        'Boxes of one class lie edge to edge, or nearly, and are flush at both ends (they share '
        '80 % of their common length): likely one defect drawn in pieces. No box can be right for '
        'the model, since the next defect is drawn in one.',
        'draw one box around the whole defect, or write into the labelling guide where to cut',
    ),
    'outside-image': Kind(
        'Box outside the image',
        'problem',
        'A box reaches more than 2 pixels beyond its image, or lies outside of it.',
        'check that the boxes belong to this image and size, then draw the box anew',
    ),
    'one-pixel-box': Kind(
        'One-pixel box',
        'problem',
        'The shorter side is 2 pixels or less: mostly a slip of the mouse.',
        'delete the box, or draw it around the whole defect',
    ),
    'giant-box': Kind(
        'Box as large as the image',
        'problem',
        'A box covers 90 % of its image or more, which fewer than a tenth of the boxes of its '
        'class do.',
        'draw the box around the defect, or several boxes around several',
    ),
    'blank-image': Kind(
        'Image without content',
        'problem',
        'All pixels are nearly equal (standard deviation below 1 of 255): camera or light failed.',
        'remove the image',
    ),
    # Worth knowing.
    'touching-boxes': Kind(
        'Touching boxes of one class',
        'note',
        'Boxes of one class overlap or touch without being flush. Where a class has many of them, '
        'annotators drew the border between two defects as they liked, and a model can hardly '
        'guess it: expect a low AP.',
        'write into the labelling guide when touching defects are one; then check these images',
    ),
    'giant-class': Kind(
        'Class drawn as large as the image',
        'note',
        'A tenth of the boxes of a class or more cover 90 % of their image: the class describes '
        'the image, not a place in it.',
        'nothing, if that is meant; a classifier may tell this class more cheaply',
    ),
    'extreme-ratio': Kind(
        'Very long box',
        'note',
        'One side is 20 times the other or more: few anchors reach such boxes.',
        'check the box; if it is right, look at the ratios of the anchors (h/w) or tile the image',
    ),
    'tiny-class': Kind(
        'Class with few boxes',
        'note',
        'Fewer than 20 boxes: its AP will be a matter of luck.',
        'label more, or merge the class with one that means the same to the line',
    ),
    'empty-class': Kind(
        'Class without boxes',
        'note',
        'The annotations or the config name a class that no box has.',
        'check its spelling, or remove it',
    ),
    'near-duplicate': Kind(
        'Nearly equal images in a split',
        'note',
        'Images of one split look nearly the same: they count more than others, and what looks '
        'like much data is little.',
        'keep one of them, if they show the same part',
    ),
    'exif-rotated': Kind(
        'Image turned by EXIF',
        'note',
        'The file says that it is to be turned. mmdefect turns it; labelling tools may not have.',
        'check that the boxes fit the upright image; better store the images upright',
    ),
    'alpha-channel': Kind(
        'Image with transparency',
        'note',
        'The alpha channel is dropped on loading; what it hid becomes visible.',
        'store the images without alpha',
    ),
    'deep-image': Kind(
        'More than 8 bits',
        'note',
        'Files with 16 bits per value; how many of them the camera fills is guessed from the '
        'largest value in the data set.',
        'state the depth in the pipeline, as said',
    ),
    'mixed-images': Kind(
        'Images of different make',
        'note',
        'Grey and colour, several depths, sizes or file formats in one data set: the model may '
        'learn the camera instead of the defect.',
        'check that each make holds all classes and good parts',
    ),
    'wrong-suffix': Kind(
        'Name and content disagree',
        'note',
        'The suffix names another file format than the content has.',
        'rename the file',
    ),
    # What a trained model points to.
    'class-confusion': Kind(
        'Model sees another class',
        'note',
        'On a labelled box (IoU 0.5 or more) lies a confident detection of another class, and no '
        'confident or better one of its own. Confident: as the mean of the right detections.',
        'look at the image; correct the class if the model is right',
    ),
    'unlabelled-defect': Kind(
        'Model sees a defect without a box',
        'note',
        'A confident detection touches no labelled box (IoU below 0.1 with all).',
        'look at the image; draw the box if the model is right',
    ),
    'unseen-box': Kind(
        'Model sees nothing at a box',
        'note',
        'No detection of any class comes near a labelled box (IoU below 0.1 with all).',
        'look at the image; delete the box if there is no defect',
    ),
}
