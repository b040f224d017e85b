"""What is measured: for each verb an observation, the call, and the published architecture run as its authors ran it.

Each module is named as its verb and has the same names:

* ``SIDE``: pixels along an edge of the observation that most is measured on
* ``observation(side)``: what the verb reads
* ``call(observation, device)``: the verb; the numbers of its answer
* ``published(side)``: a function that does the published work, for an observation of that size
* ``PUBLISHED``: what that is, and ``SHARE``: how much of one answer of the authors it does
"""

VERBS = ("classify_map", "enhance_hmi", "deepvel_flow", "detect_emergence")
#: Those that take an image of any size, and pixels along its edges.
SCALED, SIDES = VERBS[:3], (256, 512, 1024, 2048)
