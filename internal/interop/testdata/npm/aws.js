// Clients of the AWS SDK for JavaScript v3, told what to do by lines on standard input, one JSON object each:
//
//   {"client": "iot" or "data", "command": "CreateThing", "input": {...}}
//   {"client": "iot", "pages": "ListThings", "input": {...}, "size": 2}
//
// Each is answered with one line: {"answer": {...}}, {"pages": [{...}, ...]} or {"error": {"name": ..., "status": ..., "message": ...}}.
// Credentials and region come from the environment.
//
//   node aws.js URL
'use strict';

const iot = require('@aws-sdk/client-iot');
const data = require('@aws-sdk/client-iot-data-plane');
const readline = require('node:readline');

const options = { endpoint: process.argv[2], maxAttempts: 1 };
const clients = {
  iot: { sdk: iot, client: new iot.IoTClient(options) },
  data: { sdk: data, client: new data.IoTDataPlaneClient(options) },
};

async function work(line) {
  const { sdk, client } = clients[line.client];
  const input = { ...line.input };
  if (typeof input.payload === 'string') input.payload = Buffer.from(input.payload);
  if (line.pages) {
    const pages = [];
    for await (const page of sdk['paginate' + line.pages]({ client, pageSize: line.size }, input)) pages.push(page);
    return { pages };
  }
  const answer = await client.send(new sdk[line.command + 'Command'](input));
  if (answer.payload) answer.payload = Buffer.from(answer.payload).toString();
  return { answer };
}

(async () => {
  for await (const text of readline.createInterface({ input: process.stdin })) {
    let out;
    try {
      out = await work(JSON.parse(text));
    } catch (e) {
      out = { error: { name: e.name, status: e.$metadata && e.$metadata.httpStatusCode, message: e.message } };
    }
    process.stdout.write(JSON.stringify(out) + '\n');
  }
})();
