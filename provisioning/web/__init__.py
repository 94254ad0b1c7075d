"""HTTP for all resources: what each of them needs to read requests and to answer them."""
