# Thresholds found per class from the teacher's scores.
_base_ = ['./soft_teacher.py']
model = dict(semi_train_cfg=dict(thresholds=dict(type='mmdefect.MixtureThresholds')))
