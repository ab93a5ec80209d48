// Uses the client that was generated from openapi.json as a caller would, against a server that runs. Arguments: base
// URL, key. The pipeline of `stainless_compatible` hangs, that of `flagship` leaves reports/hello.txt, and one run is
// done at a time. Any throw fails; the last line names the runs.
import { createClient, createConfig } from './client/index.js';
import type { _Error, Run, RunEvent } from './types.gen.js';
import {
  cancelRun, downloadArtifact, getLiveness, getProject, getReadiness, getRun, listDeadLetters, listProjects, listRuns,
  previewRetry, retryRun, startRun, watchRun,
} from './sdk.gen.js';

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

declare const process: { argv: string[] };

const [baseUrl, key] = process.argv.slice(2) as [string, string];
const client = createClient(createConfig({ baseUrl, auth: () => key }));
const openapiText = JSON.stringify({ openapi: '3.0.3', info: { title: 'Small', version: '1' }, paths: {} });

function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`not so: ${what}`);
}

// The data of an answer, or a throw with what was answered instead.
async function ok<T>(call: Promise<Answer<T>>, status: number): Promise<NonNullable<T>> {
  const { data, error, response } = await call;
  if (response.status !== status || data === undefined || data === null)
    throw new Error(`${response.status}, not ${status}, from ${response.url}: ${JSON.stringify(error ?? data)}`);
  return data;
}

async function refused(call: Promise<{ error?: _Error; response: Response }>, status: number): Promise<string> {
  const { error, response } = await call;
  expect(response.status === status && error, `${response.status} is ${status}`);
  expect(error.message, 'a refusal says why');
  return error.error;
}

// Waits for the run's next change until it is of this status; the server holds each of these requests.
async function until(runId: string, status: Run['status']): Promise<Run> {
  for (let tries = 0; tries < 20; tries += 1) {
    const run = await ok(getRun({ client, path: { runId } }), 200);
    if (run.status === status) return run;
    await getRun({ client, path: { runId }, headers: { Prefer: 'wait=5' } });
  }
  throw new Error(`${runId} does not become ${status}`);
}

async function eventsOf(runId: string): Promise<RunEvent[]> {
  const failures: unknown[] = [];
  const onSseError = (error: unknown) => failures.push(error);
  const { stream } = await watchRun({ client, path: { runId }, sseMaxRetryAttempts: 1, onSseError });
  const events: RunEvent[] = [];
  for await (const event of stream) if (event) events.push(event); // 204 has none
  expect(failures.length === 0, `the stream ends by itself, without ${String(failures[0])}`);
  return events;
}

expect((await ok(getLiveness({ client }), 200)).status === 'live', 'the server lives');
expect((await ok(getReadiness({ client }), 200)).status === 'ready', 'the server is ready');

// One run holds the only slot, so the next one is queued for as long as this takes.
const hangs = { openapiText, configText: '{}', mode: 'stainless_compatible' } as const;
const hanging = await ok(startRun({ client, body: hangs }), 202);
await until(hanging.run.id, 'running');
const body = { openapiText, projectName: 'Typed', notes: 'by the typed client' };
const headers = { 'Idempotency-Key': 'start-1' };
const { data: queued, response } = await startRun({ client, body, headers });
expect(queued?.run.status === 'queued' && queued.run.mode === 'flagship', 'it is queued');
expect(response.headers.get('Location') === `/api/runs/${queued.run.id}`, 'the answer says where it is');
expect(queued.capabilities?.workers.slots === 1, 'and that there is one slot');
const again = await startRun({ client, body, headers });
expect(again.data?.run.id === queued.run.id, 'the same request makes no other run');
expect(again.response.headers.get('Idempotent-Replayed') === 'true', 'and the answer says so');

const canceled = await ok(cancelRun({ client, path: { runId: queued.run.id }, body: { reason: 'not now' } }), 200);
expect(canceled.run.status === 'canceled' && canceled.run.verdict === 'canceled', 'a queued run is canceled');
const twice = await refused(cancelRun({ client, path: { runId: queued.run.id } }), 409);
expect(twice === 'run_not_cancelable', 'but only once');
await ok(cancelRun({ client, path: { runId: hanging.run.id } }), 200);

const preview = await ok(previewRetry({ client, path: { runId: queued.run.id } }), 200);
expect(preview.retryable && preview.inputs.every((input) => input.retained), 'the canceled run can be retried');
const retried = await ok(retryRun({ client, path: { runId: queued.run.id }, body: { reason: 'now' } }), 202);
expect(retried.sourceRun.id === queued.run.id, 'the retry tells of its source');
expect(retried.run.inputSummary?.lineage?.reason === 'now', 'and why it was asked for');
const withoutBody = await ok(retryRun({ client, path: { runId: queued.run.id } }), 202);
const unknown = await refused(retryRun({ client, path: { runId: 'run_of_nobody' } }), 404);
expect(unknown === 'run_not_found', 'an unknown run is not found');

const events = await eventsOf(retried.run.id);
expect(events.every((event, index) => event.seq === index + 1), 'every event comes, in order');
expect(events.at(-1)?.type === 'run.complete', 'the last event is the end');
const run = await ok(getRun({ client, path: { runId: retried.run.id } }), 200);
expect(run.status === 'complete', 'it ends well');
expect(run.steps?.every((step) => step.status === 'completed'), 'all its steps are completed');
const { response: read } = await getRun({ client, path: { runId: run.id } });
const known = { 'If-None-Match': read.headers.get('ETag') ?? '' };
const unchanged = await getRun({ client, path: { runId: run.id }, headers: known });
expect(unchanged.response.status === 304, 'a run that is known already is not sent again');

const artifact = run.artifactManifest?.artifacts?.find((one) => one.key === 'reports/hello.txt');
expect(artifact, 'the artifact is in the manifest');
const query = { runId: run.id, key: artifact.key };
const bytes = await ok(downloadArtifact({ client, query, parseAs: 'blob' }), 200);
expect(await bytes.text() === 'hello, world' && bytes.size === artifact.bytes, 'the artifact is downloaded');
const part = await ok(downloadArtifact({ client, query, parseAs: 'blob', headers: { Range: 'bytes=7-' } }), 206);
expect(await part.text() === 'world', 'a part of it, too');
const none = await refused(downloadArtifact({ client, query: { ...query, key: 'none' } }), 404);
expect(none === 'artifact_not_found', 'another is not there');

const listed: string[] = [];
for (let cursor: string | undefined, pages = 0; ; pages += 1) {
  const page = await ok(listRuns({ client, query: { limit: 1, ...(cursor === undefined ? {} : { cursor }) } }), 200);
  expect(page.runs.length === 1 && pages < 10, 'a page has one run');
  listed.push(...page.runs.map((one) => one.id));
  if (page.nextCursor === undefined) break;
  cursor = page.nextCursor;
}
const all = [hanging, queued, retried, withoutBody].map((one) => one.run.id);
expect([...listed].sort().join() === [...all].sort().join(), 'the list has each run once');
const retries = await ok(listRuns({ client, query: { sourceRunId: queued.run.id } }), 200);
expect(retries.runs.length === 2, 'both retries are of this source');

const { projects } = await ok(listProjects({ client }), 200);
const project = await ok(getProject({ client, path: { projectId: run.projectId } }), 200);
expect(projects.some((one) => one.id === project.id) && project.runCount === 3, 'the project counts its runs');
expect((await ok(listDeadLetters({ client }), 200)).dead.length === 0, 'nothing was given up on');

const stranger = createClient(createConfig({ baseUrl, auth: () => 'rp_wrong' }));
expect(await refused(listRuns({ client: stranger }), 401) === 'unauthorized', 'a wrong key gets nothing');

await until(withoutBody.run.id, 'complete');
console.log(JSON.stringify({
  hanging: hanging.run.id, queued: queued.run.id, retried: retried.run.id, withoutBody: withoutBody.run.id,
}));
