"""A recorded session with injected faults on a real broker: no crash, every mark is there, and the bars are right."""

import pytest

from bench.fault_session import session as s
from bench.fault_session.live import run_live, shortcomings
from bench.fault_session.report import rows_of


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("panel", s.PANELS)
def test_thirty_minutes_with_faults_leave_marks_and_the_bars_of_the_clean_run(
    bootstrap_servers: str, topic_prefix: str, panel: str
) -> None:
    """Every fault is in its metric and mark, no process ends, and bars differ only where that is explained."""
    session = s.make_session(panel)
    run = run_live(session, bootstrap_servers, topic_prefix)
    assert shortcomings(session, run, rows_of(session, run.variants, run.missing, run.reordered)) == []
    assert run.exit_codes == [0, 0]
    assert run.equals_offline
