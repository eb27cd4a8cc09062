# Shared tower on the generated shelves, sparse shelves first.
_base_ = ['./shared_tower_r18_fpn_shelf.py']

# ---- often changed ----------------------------------------------------------------------------
curriculum_epochs = 5  # passes before all shelves take part
start_share = 0.25  # share of the shelves, those with fewest products, in the first pass

# ---- rarely -----------------------------------------------------------------------------------
train_dataloader = dict(
    sampler=dict(
        _delete_=True,
        type='mmdefect.DensityCurriculumSampler',
        epochs=curriculum_epochs,
        start_share=start_share,
    )
)
