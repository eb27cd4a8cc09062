# The seven ratios read as MMDetection's AnchorGenerator reads them: height / width.
_base_ = ['./reference.py']
model = dict(rpn_head=dict(anchor_generator=dict(ratio_order='h/w')))
