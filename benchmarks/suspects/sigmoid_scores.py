# Each class scored by itself: a region that looks like two classes gives a box of each.
_base_ = ['./reference.py']
model = dict(roi_head=dict(bbox_head=dict(exclusive=False)))
