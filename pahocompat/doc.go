// Package mqtt has the API of github.com/eclipse/paho.mqtt.golang v1.5.1, on the MQTT 5 client of package awsiot. A program moves
// by changing the import line, and can stay so for years:
//
//	import mqtt "github.com/portage-iot/awsiot/pahocompat"
//
// Every exported name is there. Types that only carry values (ClientOptions, Message, Token, the stores, the handlers) are
// aliases, so that values flow between packages that have moved and packages that have not. NewClient, the concrete token
// types and the four loggers are this package's own.
//
// What stands beneath is an Engine, chosen for each client by NewClient: EngineV2 speaks MQTT 5 with awsiot.Client, EnginePaho
// is paho.mqtt.golang itself on MQTT 3.1.1, and EngineAuto, the default, is EngineV2 until a broker turns out to know MQTT 3.1.1
// only. SetEngine chooses in the program, the environment variable PORTAGE_PAHO_ENGINE (v2, paho or auto) from outside, without a
// new build and before SetEngine. Both engines keep unacknowledged messages in the same Store under the same keys, so that a
// session and a FileStore go on when the engine changes, forth and back.
//
// QoS 2 exists under EnginePaho only: under the others a call with QoS 2 returns a token with an error that says so, and a will
// with QoS 2 is an error from Connect. Nothing is downgraded in silence. Where MQTT 5 shows, the table of differences in
// MIGRATION.md has a row.
//
// V2 returns the awsiot.Client beneath, for new code on the same connection.
package mqtt
