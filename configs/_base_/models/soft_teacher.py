# How unlabelled images teach. The configs of soft teachers put it around their detector, and have
# the thresholds.

# ---- often changed ----------------------------------------------------------------------------
clean_images = 'unless_doubtful'  # what an image without pseudo label teaches: 'background',
# 'ignore', or 'unless_doubtful' (background if all scores are low)
doubtful_boxes = 'ignore'  # what a place teaches whose box lies below the threshold: 'ignore' for
# nothing, or 'background'; a teacher that misses much would else teach its misses
hidden_truth = True  # unlabelled images have boxes, which measure the pseudo labels only

# ---- sometimes --------------------------------------------------------------------------------
warmup = 200  # iterations after the burn-in in which unsup_weight rises
# Of two-stage detectors:
jitter_times = 10  # shifted copies of a box that measure how sure its place is
jitter_scale = 0.06  # their shift, relative to the size of the box
max_uncertainty = 0.02  # deviation, relative to the box, up to which it teaches its place
# Of one-stage detectors:
max_spread = 0.15  # deviation of overlapping candidates, relative to the size of the box, at which
# a box no longer teaches its place
# Of parts with several views:
min_votes = 2  # views that must agree; or per class: dict(Chipped=3)
add_missed = False  # True: a box that one view missed is added to it

# ---- rarely -----------------------------------------------------------------------------------
semi_train_cfg = dict(
    warmup=warmup,
    policy=dict(
        type='mmdefect.PseudoLabelPolicy', clean_images=clean_images, doubtful_boxes=doubtful_boxes
    ),
    statistics=dict(type='mmdefect.PseudoLabelStatistics', hidden_truth=hidden_truth),
)
box_jitter = dict(
    type='mmdefect.BoxJitter', times=jitter_times, scale=jitter_scale, limit=max_uncertainty
)
candidate_spread = dict(type='mmdefect.CandidateSpread', limit=max_spread)
view_consensus = dict(type='mmdefect.ViewConsensus', min_votes=min_votes, add_missed=add_missed)
