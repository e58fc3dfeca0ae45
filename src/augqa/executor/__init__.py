"""Who works on prepared batches: this process, or Ray's workers; the results are the same bytes."""
