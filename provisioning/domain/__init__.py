"""What provisioning means: windows, roles, tenants and the rules between records.

No Flask and no files here; time and the store's view are passed in.
"""
