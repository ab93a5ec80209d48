// usage: node validate.cjs <toolchain> <contract.json> <answers.json>
// Checks [{what, schema, value}...] with Ajv, and prints what is wrong, a line each.
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const [toolchain, contract, answers] = process.argv.slice(2);
const Ajv = createRequire(`${toolchain}/package.json`)('ajv').default;
const ajv = new Ajv({ allErrors: true, strict: true });
ajv.addSchema(JSON.parse(readFileSync(contract, 'utf8')));
for (const { what, schema, value } of JSON.parse(readFileSync(answers, 'utf8'))) {
  const valid = ajv.getSchema(`contract#/definitions/${schema}`);
  if (!valid(value)) console.log(`${what}: ${ajv.errorsText(valid.errors)}`);
}
