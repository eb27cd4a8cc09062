# One change of light per image, as the soft teacher's labelled branch has it.
_base_ = ['./reference.py']
per_view = _base_.train_dataloader.dataset.pipeline[0]
*before, pack = per_view.transforms
per_view.transforms = [*before, dict(type='mmdefect.ColourSpace', aug_num=1), pack]
train_dataloader = dict(dataset=dict(pipeline=[per_view]))
