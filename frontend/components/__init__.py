"""Parts of pages: the task picker, the form, an answer, tables and charts, labelling, and dialogs.

Each draws with Streamlit; what only one page shows is in that page's package of `views/`.
"""
