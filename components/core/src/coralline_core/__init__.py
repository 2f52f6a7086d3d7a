"""What coralline's steps share: settings, errors, the store, datasets, progress, metrics.

It knows no TensorFlow, OpenCV or kfp, so that every image can hold it.
"""
