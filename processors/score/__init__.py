"""The last stage: a gold row becomes a decision.

    gold.v1 -> inputs -> ONNX model -> calibrated log-odds -> kernel (edge, Kelly, caps) -> gates -> signals.v1

``score.score_rows`` does all of it and is called by the stage and by the ScoreService alike.
"""
