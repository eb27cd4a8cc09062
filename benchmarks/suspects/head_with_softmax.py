# MMDetection's RoI head with the same focal loss: trained as sigmoids, predicted with softmax.
_base_ = ['./reference.py']
head = dict(_base_.model.roi_head.bbox_head, type='Shared2FCBBoxHead')
head.pop('exclusive')
model = dict(roi_head=dict(bbox_head=dict(_delete_=True, **head)))
