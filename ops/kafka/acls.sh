#!/bin/sh
# What each role may do in Kafka, as an administrator tells it once the topics are there:
#
#     ops/kafka/acls.sh kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties
#
# The brokers need an authorizer, and allow.everyone.if.no.acl.found=false, which is the default.
set -eu

# Only looks: at its health, and at how the output ends.
"$@" --add --allow-principal User:tally-web --operation Read --operation Describe --topic unique-counts
"$@" --add --allow-principal User:tally-web --operation Describe --topic id-counts

# The one writer of the output. Its transactional id is the fence: nobody else may take it.
"$@" --add --allow-principal User:tally-worker --operation Read --operation Write --operation Describe --topic unique-counts
"$@" --add --allow-principal User:tally-worker --operation Write --operation Describe --topic id-counts
"$@" --add --allow-principal User:tally-worker --operation Write --operation Describe --transactional-id tally-flush

# Their readers belong to no group, but the client asks for the one it is given.
"$@" --add --allow-principal User:tally-web --allow-principal User:tally-worker --allow-principal User:tally-admin --operation Describe --group tally-log

# Event mode. Web appends calls and the worker markers; neither can read what was appended.
"$@" --add --allow-principal User:tally-web --allow-principal User:tally-worker --operation Write --operation Describe --topic requests

# Counts them, in a group that has the name of its Redis, and looks at how the output ends.
"$@" --add --allow-principal User:tally-consolidator --operation Read --operation Describe --topic requests
"$@" --add --allow-principal User:tally-consolidator --operation Read --group tally-consolidate- --resource-pattern-type prefixed
"$@" --add --allow-principal User:tally-consolidator --operation Read --operation Describe --topic unique-counts
"$@" --add --allow-principal User:tally-consolidator --operation Describe --group tally-log

# Only reads: manage.py audit_minutes.
for topic in requests unique-counts id-counts; do
  "$@" --add --allow-principal User:tally-audit --operation Read --operation Describe --topic "$topic"
done
for group in tally-recount tally-audit; do
  "$@" --add --allow-principal User:tally-audit --operation Describe --group "$group"
done

# Makes the topics, and looks at them: manage.py create_topics, last, rebuild_history, leave_event_mode.
"$@" --add --allow-principal User:tally-admin --operation Create --operation Read --operation Describe --topic unique-counts
"$@" --add --allow-principal User:tally-admin --operation Create --operation Describe --topic id-counts
"$@" --add --allow-principal User:tally-admin --operation Create --operation Read --operation Describe --operation Delete --topic requests
"$@" --add --allow-principal User:tally-admin --operation Describe --group tally-recount
