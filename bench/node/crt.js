// Drives the MQTT 5 client of the npm package aws-crt (the C engine of the AWS
// SDKs) as its documentation shows, without its AWS IoT Core flow control,
// which holds it at 100 publishes a second.
'use strict';
const { mqtt5, io } = require('aws-crt');
const { a, main, parseFlags } = require('./lib');

const { host, port } = parseFlags(process.argv.slice(2));

function tls() {
  if (!a.ca) return {};
  const o = new io.TlsContextOptions();
  o.override_default_trust_store_from_path(undefined, a.ca);
  return { tlsCtx: new io.ClientTlsContext(o) };
}

main('aws-crt (npm)', (id) => new Promise((resolve, reject) => {
  const c = new mqtt5.Mqtt5Client({
    hostName: a.ca ? 'localhost' : host, port, ...tls(),
    connectProperties: { clientId: id, keepAliveIntervalSeconds: 300 },
    extendedValidationAndFlowControlOptions: mqtt5.ClientExtendedValidationAndFlowControl.None,
  });
  c.on('error', reject);
  c.on('connectionFailure', (e) => reject(e.error));
  c.once('connectionSuccess', () => resolve({
    publish: async (qos, topicName, payload) => {
      const ack = await c.publish({ qos, topicName, payload });
      if (ack && ack.reasonCode >= 128) throw new Error(`PUBACK ${ack.reasonCode}`);
    },
    close: () => new Promise((r) => { c.once('stopped', r); c.stop(); }),
  }));
  c.start();
}));
