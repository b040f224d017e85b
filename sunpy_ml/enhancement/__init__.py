"""Enhancement: images and magnetograms freed of the telescope's blur, on a finer grid."""
