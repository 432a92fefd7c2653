"""The voting application: both components, `app` and `analytics`, in every version.

Which component and version a process is comes from its environment (`settings`); what a
version does differently is one row of a table there.
"""
