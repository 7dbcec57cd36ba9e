// driver.js makes the service clients of the AWS IoT Device SDK v2 do what a test says, one line of JSON at a time on
// standard input, and prints one line of JSON for each:
//
//	{"call": "getShadow", "request": {...}}              -> {"accepted": {...}} or {"rejected": {...}}
//	{"open": "ShadowDeltaUpdated", "request": {...}}     -> {"opened": true}
//	{"next": "ShadowDeltaUpdated"}                       -> {"event": {...}}, when there is one
//	{"fence": 1}                                         -> {"fenced": true}, after the PUBACK of a message to fence/1
//
// Operations and events have the names of the SDK; the first generation's methods are made of them.
// Arguments: protocol (5 or 311), generation (1 or 2), host, port, CA file, certificate file, key file, client id.
"use strict";

const readline = require("readline");
const { iot, mqtt, mqtt5, iotshadow, iotjobs, iotidentity } = require("aws-iot-device-sdk-v2");

const [protocol, generation, host, port, ca, cert, key, clientId] = process.argv.slice(2);
const QOS = mqtt.QoS.AtLeastOnce;

// services: the clients' classes, and the operations and events that belong to each.
const services = [
	{ one: iotshadow.IotShadowClient, two: iotshadow.IotShadowClientv2, has: /Shadow/ },
	{ one: iotjobs.IotJobsClient, two: iotjobs.IotJobsClientv2, has: /Job/ },
	{ one: iotidentity.IotIdentityClient, two: iotidentity.IotIdentityClientv2, has: /Certificate|Thing$/ },
];

async function connect() {
	if (protocol === "5") {
		const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(host, cert, key);
		builder.withPort(Number(port)).withCertificateAuthorityFromPath(undefined, ca).withConnectProperties({ clientId, keepAliveIntervalSeconds: 1200 });
		const client = new mqtt5.Mqtt5Client(builder.build());
		const connected = new Promise((resolve, reject) => {
			client.on("connectionSuccess", resolve);
			client.on("connectionFailure", (e) => reject(e.error));
		});
		client.start();
		await connected;
		return {
			make: (s) => generation === "1" ? s.one.newFromMqtt5Client(client) : s.two.newFromMqtt5(client, budget),
			publish: (topicName) => client.publish({ topicName, payload: "x", qos: mqtt5.QoS.AtLeastOnce }),
			close: () => new Promise((resolve) => { client.on("stopped", resolve); client.stop(); }),
		};
	}
	const builder = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(cert, key);
	builder.with_endpoint(host).with_port(Number(port)).with_certificate_authority_from_path(undefined, ca).with_client_id(clientId).with_clean_session(true);
	const connection = new mqtt.MqttClient().new_connection(builder.build());
	await connection.connect();
	return {
		make: (s) => generation === "1" ? new s.one(connection) : s.two.newFromMqtt311(connection, budget),
		publish: (topic) => connection.publish(topic, "x", QOS),
		close: () => connection.disconnect(),
	};
}

// budget is more than any test uses.
const budget = { maxRequestResponseSubscriptions: 20, maxStreamingSubscriptions: 10, operationTimeoutInSeconds: 30 };

const upper = (s) => s[0].toUpperCase() + s.slice(1);

// call makes one request. In the first generation that is what its samples do: subscribe to both answers, publish,
// wait for one of them.
async function call(client, op, request) {
	if (generation === "2") {
		try {
			return { accepted: await client[op](request) };
		} catch (e) {
			if (e.modeledError === undefined) throw e;
			return { rejected: e.modeledError };
		}
	}
	let settle;
	const answer = new Promise((resolve) => { settle = resolve; });
	for (const [verdict, name] of [["accepted", "Accepted"], ["rejected", "Rejected"]]) {
		await client[`subscribeTo${upper(op)}${name}`](request, QOS, (error, response) => {
			settle(error ? { error: String(error) } : { [verdict]: response });
		});
	}
	await client[`publish${upper(op)}`](request, QOS);
	return answer;
}

// queues: the events that nobody has asked for yet, and who waits for the next.
const queues = new Map();

function queue(event) {
	if (!queues.has(event)) queues.set(event, { events: [], waiting: [] });
	return queues.get(event);
}

function push(event, message) {
	const q = queue(event);
	if (q.waiting.length > 0) q.waiting.shift()(message);
	else q.events.push(message);
}

async function open(client, event, request) {
	if (generation === "1") {
		await client[`subscribeTo${event}Events`](request, QOS, (error, message) => push(event, error ? { error: String(error) } : message));
		return;
	}
	const stream = client[`create${event}Stream`](request);
	stream.on("incomingPublish", (e) => push(event, e.message));
	const established = new Promise((resolve, reject) => {
		stream.on("subscriptionStatus", (s) => s.error ? reject(s.error) : resolve());
	});
	stream.open();
	await established;
}

function next(event) {
	const q = queue(event);
	if (q.events.length > 0) return q.events.shift();
	return new Promise((resolve) => q.waiting.push(resolve));
}

async function main() {
	const transport = await connect();
	const clients = services.map((s) => transport.make(s));
	const clientOf = (name) => clients[services.findIndex((s) => s.has.test(name))];
	console.log(JSON.stringify({ connected: true }));
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const todo = JSON.parse(line);
		let out;
		try {
			if (todo.call) out = await call(clientOf(todo.call), todo.call, todo.request);
			else if (todo.open) { await open(clientOf(todo.open), todo.open, todo.request); out = { opened: true }; }
			else if (todo.next) out = { event: await next(todo.next) };
			else { await transport.publish(`fence/${todo.fence}`); out = { fenced: true }; }
		} catch (e) {
			out = { error: String(e) };
		}
		console.log(JSON.stringify(out));
	}
	for (const c of clients) if (c.close) c.close();
	await transport.close();
	process.exit(0);
}

main().catch((e) => { console.error(e); process.exit(1); });
