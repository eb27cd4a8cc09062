# MMDetection's RoI head with the same focal loss: trained as sigmoids, predicted with softmax.
_base_ = ['./reference.py']
model = dict(roi_head=dict(bbox_head=dict(type='Shared2FCBBoxHead')))
