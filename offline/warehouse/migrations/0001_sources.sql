-- Which topics the rows come from: offsets mean the records of one topic only.
CREATE TABLE IF NOT EXISTS `{database}`.`sources` (
  topic String COMMENT 'Topic that rows come from.',
  topic_id String COMMENT 'Id that Kafka gave the topic when it was made.'
) ENGINE = MergeTree ORDER BY topic;
