// Package rules is the rules engine of AWS IoT Core without MQTT around it: the SQL of rules, and what a message becomes by
// it. The server glues it to topics, Basic Ingest included (`$aws/rules/RULE/TOPIC`).
//
// It follows the AWS IoT developer guide ("AWS IoT SQL reference", version 2016-03-23; "Republish"; "Error handling (error
// action)"). What there is:
//
//	SELECT *, attribute.of.attributes AS name, expression AS name, VALUE expression
//	FROM 'topic/+/filter/#'
//	WHERE expression
//
// Expressions have literals, attributes, + - * / %, = <> < <= > >=, AND OR NOT, CASE WHEN, parentheses and the functions of
// Functions. A value that is not there is Undefined: it is left out of the result, and a WHERE that is not true takes nothing.
// Not here: nested SELECT, IN, EXISTS, arrays by index, and functions that ask other services. A rule that needs them is an
// error of Parse, which names what it does not know: it is refused rather than understood halfway.
package rules
