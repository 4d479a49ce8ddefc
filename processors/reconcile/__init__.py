"""The reconcile stage: raw ticks of many sources become consensus ticks, and every source has its freshness."""
