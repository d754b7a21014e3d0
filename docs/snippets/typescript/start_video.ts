// Starts a video from a request file, as `starter.py video request FILE.yaml` prints one, and prints how it ended.
//   npm install @temporalio/client && npx tsx start_video.ts request.json
import { readFileSync } from 'node:fs';
import { Client, Connection, WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';

interface VideoResult {
  video: { key: string };
  total_cost_usd: string;
  summary: string;
}

async function main(): Promise<void> {
  const request = JSON.parse(readFileSync(process.argv[2], 'utf8'));
  const workflowId = `video/${request.channel}/${request.video_id}`;
  const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? '127.0.0.1:7233' });
  const client = new Client({ connection, namespace: process.env.TEMPORAL_NAMESPACE ?? 'default' });
  try {
    await client.workflow.start('VideoWorkflow', { taskQueue: 'studio', workflowId, args: [request] });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error; // it runs already: a retry is harmless
  }
  try {
    const result: VideoResult = await client.workflow.getHandle(workflowId).result();
    console.log(JSON.stringify({ video: result.video.key, usd: result.total_cost_usd, summary: result.summary }));
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    console.error(`${workflowId}: ${error.cause?.message ?? error.message}`); // a line for each mistake
    process.exitCode = 1;
  } finally {
    await connection.close();
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
