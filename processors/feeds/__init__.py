"""Feeds: recorded files of many forms become one stream of RawTick, and ``ticks.raw.v1`` gets it.

    file -> form (an adapter recognises its columns) -> columns of RawTick -> merge in publish order
         -> clock marks for quiet partitions -> wire records by partition -> publisher, or the in-memory driver

``replay.recorded_batches`` is the pure part: exactly the records that Kafka would get. ``publish.Publisher`` sends
them. To add a form of your own, write an adapter (``port.Adapter``) and name it in ``forms.FORMS``.
"""
