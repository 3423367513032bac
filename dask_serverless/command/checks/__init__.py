"""What ``dask serverless doctor`` looks at: each concern in a file, each finding with its fix."""
