# Shared tower with pyramid attention on the generated shelves: the levels are brought to one size,
# averaged, refined by non-local attention and added back to each (Balanced Feature Pyramid of Libra
# R-CNN, MMDetection's BFP).
_base_ = ['./shared_tower_r18_fpn_shelf.py']

# ---- often changed ----------------------------------------------------------------------------
refine_level = 3  # level at whose size attention looks: 3 is stride 32, its cost is quadratic in
# the places of the level; 2 sees finer and costs 16 times as much

# ---- rarely -----------------------------------------------------------------------------------
attention = dict(
    type='BFP',
    in_channels=_base_.channels,
    num_levels=5,
    refine_level=refine_level,
    refine_type='non_local',
)
model = dict(neck=[_base_.model.neck, attention])
