#!/bin/sh
# What each role may do in Kafka, as an administrator tells it once the topics are there:
#
#     ops/kafka/acls.sh kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties
#
# The brokers need an authorizer, and allow.everyone.if.no.acl.found=false, which is the default. KAFKA_TOPIC_PREFIX
# must be Tally's own.
set -eu
prefix=${KAFKA_TOPIC_PREFIX:-}
unique_counts=${prefix}unique-counts id_counts=${prefix}id-counts requests=${prefix}requests

# Only looks: at its health, at how the output ends, and in the console at the ids of a published minute.
for topic in "$unique_counts" "$id_counts"; do
  "$@" --add --allow-principal User:tally-web --operation Read --operation Describe --topic "$topic"
done

# The one writer of the output. Its transactional id is the fence: nobody else may take it.
"$@" --add --allow-principal User:tally-worker --operation Read --operation Write --operation Describe --topic "$unique_counts"
"$@" --add --allow-principal User:tally-worker --operation Write --operation Describe --topic "$id_counts"
"$@" --add --allow-principal User:tally-worker --operation Write --operation Describe --transactional-id "${prefix}tally-flush"

# Their readers belong to no group, but the client asks for the one it is given.
"$@" --add --allow-principal User:tally-web --allow-principal User:tally-worker --allow-principal User:tally-admin --operation Describe --group "${prefix}tally-log"

# Whether the topics, and Kafka's own for transactions, are set up as they must be: /readyz, the flush, create_topics.
for topic in "$unique_counts" "$id_counts" "$requests" __transaction_state; do
  "$@" --add --allow-principal User:tally-web --allow-principal User:tally-worker --allow-principal User:tally-admin --operation Describe --operation DescribeConfigs --topic "$topic"
done

# Event mode. Web appends calls and the worker markers. The worker counts a minute again where an operator asks for it in
# the console, which shows who counts.
"$@" --add --allow-principal User:tally-web --allow-principal User:tally-worker --operation Write --operation Describe --topic "$requests"
"$@" --add --allow-principal User:tally-web --operation Describe --group "${prefix}tally-consolidate-" --resource-pattern-type prefixed
"$@" --add --allow-principal User:tally-worker --operation Read --operation Describe --topic "$requests"
"$@" --add --allow-principal User:tally-worker --operation Read --operation Describe --topic "$id_counts"

# Counts them, in a group that has the name of its Redis, and looks at how the output ends.
"$@" --add --allow-principal User:tally-consolidator --operation Read --operation Describe --operation DescribeConfigs --topic "$requests"
"$@" --add --allow-principal User:tally-consolidator --operation Read --group "${prefix}tally-consolidate-" --resource-pattern-type prefixed
"$@" --add --allow-principal User:tally-consolidator --operation Read --operation Describe --topic "$unique_counts"
"$@" --add --allow-principal User:tally-consolidator --operation Describe --group "${prefix}tally-log"

# Only reads: tally audit_minutes.
for topic in "$requests" "$unique_counts" "$id_counts"; do
  "$@" --add --allow-principal User:tally-audit --operation Read --operation Describe --topic "$topic"
done
for group in "${prefix}tally-recount" "${prefix}tally-audit"; do
  "$@" --add --allow-principal User:tally-audit --allow-principal User:tally-worker --operation Describe --group "$group"
done

# Makes the topics, and looks at them: tally create_topics, last, rebuild_history, leave_event_mode.
"$@" --add --allow-principal User:tally-admin --operation Create --operation Read --operation Describe --topic "$unique_counts"
"$@" --add --allow-principal User:tally-admin --operation Create --operation Describe --topic "$id_counts"
"$@" --add --allow-principal User:tally-admin --operation Create --operation Read --operation Describe --operation Delete --topic "$requests"
"$@" --add --allow-principal User:tally-admin --operation Describe --group "${prefix}tally-recount"
