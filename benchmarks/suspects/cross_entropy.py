# Without focal losses: MMDetection's RPN and RoI head, cross entropy, sampled anchors.
_base_ = ['./head_with_softmax.py']
model = dict(
    rpn_head=dict(
        type='RPNHead',
        loss_cls=dict(_delete_=True, type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
    roi_head=dict(
        bbox_head=dict(
            loss_cls=dict(
                _delete_=True, type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0
            ),
        )
    ),
    train_cfg=dict(
        rpn=dict(
            sampler=dict(
                _delete_=True, type='RandomSampler', num=256, pos_fraction=0.5, neg_pos_ub=-1,
                add_gt_as_proposals=False,
            )
        )
    ),
)  # fmt: skip
