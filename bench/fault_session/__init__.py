"""A recorded session with injected faults, through the stages on a real Kafka: what each fault leaves behind.

Run it with ``python -m bench.fault_session``.
"""
