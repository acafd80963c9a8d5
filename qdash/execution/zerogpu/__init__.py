"""Jobs on GPUs that Hugging Face ZeroGPU lends for some seconds. Imported where `qdash.zerogpu` says that it is active."""
