"""``mmdefect demo-multi-view``: Soft Teacher beside its detector alone, from one burn-in."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from mmdefect.cli.demo_stages import config_folder, healthy_installation, run_tool, stage

__all__ = ['demo_multi_view']

# Parts of eight views; labelled ones are few.
_PARTS = {'train': 16, 'val': 4, 'test': 16, 'unlabeled': 60}


@dataclass(frozen=True)
class _Training:
    """One of the three trainings; its last weights are tested on the held-out parts."""

    folder: Path
    config: Path
    iterations: int
    options: tuple[str, ...]
    amp: bool

    @property
    def weights(self) -> Path:
        return self.folder / f'iter_{self.iterations}.pth'

    @property
    def record(self) -> Path:
        return self.folder / 'evaluation.json'

    def run(self) -> None:
        """Train and test; what is finished is kept, what was interrupted goes on."""
        from mmdefect.fileio import write_json

        options = [
            f'train_cfg.max_iters={self.iterations}',
            # Nothing is chosen: the last weights count.
            f'train_cfg.val_begin={self.iterations + 1}',
            'default_hooks.checkpoint.save_best=None',
            f'default_hooks.checkpoint.interval={min(50, self.iterations)}',
            *self.options,
        ]
        settings = self.folder / 'demo.json'
        wanted = {'config': self.config.name, 'options': options, 'amp': self.amp}
        if settings.is_file() and json.loads(settings.read_text(encoding='utf-8')) != wanted:
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(settings, wanted)
        common = ['--work-dir', str(self.folder), *(['--amp'] if self.amp else [])]
        if not self.weights.is_file():
            run_tool('train', [str(self.config), '--resume', *common, '--cfg-options', *options])
        if not self.record.is_file():
            run_tool('test', [str(self.config), str(self.weights), *common])

    def evaluation(self) -> dict[str, Any]:
        return json.loads(self.record.read_text(encoding='utf-8'))


def demo_multi_view(
    out: Annotated[
        Path, typer.Option('--out', '--work-dir', help='Folder for data, models and reports.')
    ] = Path('work_dirs/demo_multi_view'),
    burn_in: Annotated[
        int, typer.Option(help='Updates on labelled parts before, in common.', min=1)
    ] = 900,
    iterations: Annotated[int, typer.Option(help='Updates of each after it.', min=1)] = 250,
    seed: Annotated[int, typer.Option(help='Of the parts and of the trainings.', min=0)] = 0,
    amp: Annotated[
        bool | None,
        typer.Option('--amp/--no-amp', help='bf16; default: where the CPU computes in it.'),
    ] = None,
) -> None:
    """Train Soft Teacher and its detector alone on generated parts, and put them side by side.

    Both start from one burn-in and make as many updates. Run again, it goes on where it was
    interrupted. Exit code 0 whichever wins.
    """
    from rich.console import Console

    from mmdefect.cli.demo_tables import pseudo_table, score_table, verdict
    from mmdefect.fileio import write_json
    from mmdefect.report.logs import read_logs

    health = healthy_installation()
    use_amp = health['cpu']['bf16_pays'] if amp is None else amp
    seconds: dict[str, float] = {}
    data = out / 'data'
    os.environ['MMDEFECT_DRILL'] = data.as_posix()
    configs = config_folder() / 'soft_teacher'
    alone = configs / 'supervised_demo_multi_view.py'
    seeded = f'randomness.seed={seed}'
    # The burn-in ends with its last weights; from there on both average theirs, in the same way.
    average = 'default_hooks.average.burn_in'
    start = _Training(out / 'burn_in', alone, burn_in, (seeded, f'{average}={burn_in}'), use_amp)
    load = f'load_from={start.weights.as_posix()}'
    labelled = _Training(
        out / 'labelled_alone', alone, iterations, (seeded, load, f'{average}=0'), use_amp
    )
    soft = _Training(
        out / 'soft_teacher',
        configs / 'soft_teacher_demo_multi_view.py',
        iterations,
        (seeded, load, 'model.semi_train_cfg.burn_in=0'),
        use_amp,
    )

    stage('1/5 sample data', seconds, 'data', lambda: _write_data(data, seed))
    stage('2/5 burn-in on the labelled parts', seconds, 'burn_in', start.run)
    stage('3/5 from there: labelled parts alone', seconds, 'labelled_alone', labelled.run)
    stage('4/5 from there: Soft Teacher', seconds, 'soft_teacher', soft.run)
    page = stage('5/5 reports', seconds, 'report', lambda: _write_reports(soft, labelled))

    before, one, two = (training.evaluation() for training in (start, labelled, soft))
    pseudo = read_logs(soft.folder).pseudo
    console = Console()
    console.print(score_table(before, one, two))
    console.print(pseudo_table(pseudo, two['classes']))
    said = verdict(one, two)
    write_json(
        out / 'summary.json',
        {
            'verdict': said,
            'burn_in': before['metrics'],
            'labelled_alone': one['metrics'],
            'soft_teacher': two['metrics'],
            'iterations': {'burn_in': burn_in, 'each': iterations},
            'seed': seed,
            'precision': 'bfloat16' if use_amp else 'float32',
            'seconds': seconds,
            'versions': health['versions'],
            'cpu': health['cpu']['name'],
            'platform': platform.platform(),
        },
        indent=2,
    )
    print(
        f'\n{said}\n{_PARTS["train"]} labelled and {_PARTS["unlabeled"]} unlabelled parts, '
        f'{_PARTS["test"]} held-out parts, burn-in of {burn_in} updates, {iterations} more of '
        f'each, seed {seed}, in {sum(seconds.values()):.0f} s\nlook at {page}\nnumbers in '
        f'{out / "summary.json"}'
    )


def _write_data(folder: Path, seed: int) -> None:
    from rich.console import Console

    from mmdefect.cli.progress import progress
    from mmdefect.datasets.synthetic import write_drill

    with progress('drill parts', unit='parts') as update:
        summary = write_drill(folder, 'easy', parts=_PARTS, seed=seed, progress=update)
    Console().print(str(summary), highlight=False, markup=False)


def _write_reports(soft: _Training, labelled: _Training) -> Path:
    from mmdefect.report import write_report

    for training in (soft, labelled):
        write_report(training.folder)
    return write_report(soft.folder, compare=labelled.folder)
