"""What a study passes, from labels to the dossier: one module for each asset, named as the asset.

Reads scores, labels and what earlier stations of the same study published; writes into ``studies/<study>/``,
the ledgers ``study_results`` and ``looks``, and ``dossiers/``.
"""
