import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.audit import FindingList
from mmdefect.datasets.audit.file_checks import check_files, guess_bit_depth
from mmdefect.datasets.audit.image_files import inspect_image

NOISE = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)


def check(make_table, make_record, paths):
    table = make_table(train=[make_record(path) for path in paths])
    found = FindingList()
    summary = check_files(table, [inspect_image(path) for path in paths], found, 2.0)
    return found, {kind: [item.what for item in found.of(kind)] for kind in found.kinds()}, summary


def test_ordinary_files(make_table, make_record, tmp_path):
    for name in ('a.png', 'b.png'):
        Image.fromarray(NOISE).save(tmp_path / name)
    _, kinds, summary = check(make_table, make_record, [tmp_path / 'a.png', tmp_path / 'b.png'])
    assert kinds == {}
    assert summary.formats == {'PNG': 2} and summary.sizes == {'200 x 100': 2}
    assert summary.images_per_second == 1.0 and summary.bit_depth is None


def test_missing_and_turned(make_table, make_record, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(NOISE).save(tmp_path / 'a.jpg', exif=exif)
    found, kinds, summary = check(
        make_table, make_record, [tmp_path / 'a.jpg', tmp_path / 'no.png']
    )
    assert kinds['unreadable-image'] == [
        'image file is missing; check the path or remove its entry'
    ]
    assert kinds['exif-rotated'] == ['EXIF orientation 8']
    assert kinds['size-mismatch'] == [
        'file has 100 x 200 pixels (w x h), annotated are 200 x 100; turned, as before EXIF '
        'rotation'
    ]
    assert summary.turned == 1
    assert found.of('unreadable-image')[0].where == str(tmp_path / 'no.png')


def test_odd_files(make_table, make_record, tmp_path):
    Image.fromarray(NOISE).convert('RGBA').save(tmp_path / 'a.png')
    Image.fromarray(NOISE[..., 0]).save(tmp_path / 'b.png')
    Image.fromarray(NOISE).save(tmp_path / 'c.jpg', format='PNG')
    Image.new('L', (200, 100), 3).save(tmp_path / 'd.jpg')
    paths = [tmp_path / name for name in ('a.png', 'b.png', 'c.jpg', 'd.jpg')]
    _, kinds, _ = check(make_table, make_record, paths)
    assert kinds == {
        'blank-image': ['standard deviation of the grey values is 0.00 of 255'],
        'alpha-channel': ['PNG with transparency'],
        'wrong-suffix': ['named .jpg, holds PNG'],
        'mixed-images': [
            'different grey and colour: colour 2, grey 2', 'different file formats: PNG 3, JPEG 1'
        ],
    }  # fmt: skip


def test_grey_in_three_channels_is_grey(make_table, make_record, tmp_path):
    Image.fromarray(NOISE[..., 0]).save(tmp_path / 'a.png')
    Image.fromarray(NOISE[..., 0]).convert('RGB').save(tmp_path / 'b.png')
    _, kinds, summary = check(make_table, make_record, [tmp_path / 'a.png', tmp_path / 'b.png'])
    assert kinds == {}
    assert summary.channels == {'grey': 1, 'grey in three channels': 1}


@pytest.mark.parametrize(
    ('largest', 'depth'), [(200, 10), (1023, 10), (1024, 12), (4095, 12), (16383, 14), (16384, 16)]
)
def test_deep_files(make_table, make_record, tmp_path, largest, depth):
    pixels = np.full((100, 200), largest // 2, np.uint16)
    pixels[:50] = largest
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    _, kinds, summary = check(make_table, make_record, [tmp_path / 'a.png'])
    assert summary.bit_depth == depth and summary.largest == largest
    assert kinds['deep-image'][0].endswith(
        f"which fills {depth} bits: dict(type='mmdefect.LoadImage', bit_depth={depth})"
    )


def test_bad_value():
    with pytest.raises(ValueError, match='0 to 65535, got 65536'):
        guess_bit_depth(65536)


def test_many_sizes_are_summed(make_table, make_record, tmp_path):
    paths = []
    for number in range(12):
        paths.append(tmp_path / f'{number}.png')
        Image.fromarray(NOISE[: number + 50]).save(paths[-1])
    _, _, summary = check(make_table, make_record, paths)
    assert len(summary.sizes) == 9 and summary.sizes['others'] == 4
