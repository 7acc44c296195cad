/** A service that offers everything the suite of `@modelcontextprotocol/conformance` asks servers for. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type EventStore, ProtocolError, Server, type ServerContext } from '@modelcontextprotocol/server'
import { type McpHost, startMcpHost } from './mcp-host.ts'

export function startEverythingService(): Promise<McpHost> {
  return startMcpHost({ makeServer, eventStore: memoryStore })
}

/** The smallest PNG, and a WAV file without samples. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

const text = (value: string) => ({ type: 'text' as const, text: value })
const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' }
const resource = (uri: string, mimeType: string, value: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType, text: value },
})

type Arguments = Readonly<Record<string, unknown>>
type Content =
  | ReturnType<typeof text>
  | typeof image
  | ReturnType<typeof resource>
  | { type: 'audio'; data: string; mimeType: string }

interface Tool {
  readonly inputSchema?: object
  readonly run: (args: Arguments, context: ServerContext) => Content[] | Promise<Content[]>
}

const STRING = { type: 'string' }
/** Milliseconds between things that the suite wants to see one after the other. */
const PAUSE_MS = 50

const TOOLS: Readonly<Record<string, Tool>> = {
  test_simple_text: { run: () => [text('This is a simple text response for testing.')] },
  test_image_content: { run: () => [image] },
  test_audio_content: { run: () => [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] },
  test_embedded_resource: {
    run: () => [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  },
  test_multiple_content_types: {
    run: () => [
      text('Multiple content types test:'),
      image,
      resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ],
  },
  test_tool_with_logging: {
    async run(_args, { mcpReq }) {
      await mcpReq.log('info', 'Tool execution started')
      await delay(PAUSE_MS)
      await mcpReq.log('info', 'Tool processing data')
      await delay(PAUSE_MS)
      await mcpReq.log('info', 'Tool execution completed')
      return [text('logged')]
    },
  },
  test_error_handling: {
    run() {
      throw new Error('This tool intentionally returns an error for testing')
    },
  },
  test_tool_with_progress: {
    async run(_args, { mcpReq }) {
      const progressToken = mcpReq._meta?.progressToken ?? 0
      for (const progress of [0, 50, 100]) {
        await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } })
        await delay(PAUSE_MS)
      }
      return [text('progressed')]
    },
  },
  test_sampling: {
    inputSchema: { type: 'object', properties: { prompt: STRING }, required: ['prompt'] },
    async run({ prompt }, { mcpReq }) {
      const messages = [{ role: 'user' as const, content: text(String(prompt)) }]
      const { content } = await mcpReq.requestSampling({ messages, maxTokens: 100 })
      return [text(`LLM response: ${JSON.stringify(content)}`)]
    },
  },
  test_elicitation: {
    inputSchema: { type: 'object', properties: { message: STRING }, required: ['message'] },
    run: ({ message }, context) =>
      elicit(context, String(message), {
        properties: { username: STRING, email: STRING },
        required: ['username', 'email'],
      }),
  },
  test_elicitation_sep1034_defaults: {
    run: (_args, context) =>
      elicit(context, 'Please review the defaults', {
        properties: {
          name: { type: 'string', default: 'John Doe' },
          age: { type: 'integer', default: 30 },
          score: { type: 'number', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', default: true },
        },
      }),
  },
  test_elicitation_sep1330_enums: {
    run: (_args, context) =>
      elicit(context, 'Please choose', {
        properties: {
          untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
          titledSingle: { type: 'string', oneOf: titled('value') },
          legacyEnum: {
            type: 'string',
            enum: ['opt1', 'opt2', 'opt3'],
            enumNames: ['Option One', 'Option Two', 'Option Three'],
          },
          untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
          titledMulti: { type: 'array', items: { anyOf: titled('value') } },
        },
      }),
  },
  test_reconnection: {
    async run(_args, { http }) {
      http?.closeSSE?.()
      await delay(2 * PAUSE_MS)
      return [text('Reconnection test completed successfully')]
    },
  },
  json_schema_2020_12_tool: {
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { address: { type: 'object', properties: { street: STRING, city: STRING } } },
      properties: { name: STRING, address: { $ref: '#/$defs/address' } },
      additionalProperties: false,
    },
    run: () => [text('valid')],
  },
}

function titled(prefix: string): readonly object[] {
  return [1, 2, 3].map(number => ({ const: `${prefix}${number}`, title: `Option ${number}` }))
}

async function elicit(
  { mcpReq }: ServerContext,
  message: string,
  { properties, required }: { readonly properties: object; readonly required?: string[] },
): Promise<Content[]> {
  const requestedSchema = { type: 'object', properties, ...(required === undefined ? {} : { required }) }
  const { action, content } = await mcpReq.elicitInput({ message, requestedSchema } as Parameters<
    typeof mcpReq.elicitInput
  >[0])
  return [text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)]
}

const PROMPTS: Readonly<Record<string, (args: Readonly<Record<string, string>>) => readonly Content[]>> = {
  test_simple_prompt: () => [text('This is a simple prompt for testing.')],
  test_prompt_with_arguments: ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  test_prompt_with_embedded_resource: ({ resourceUri = '' }) => [
    resource(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
    text('Please process the embedded resource above.'),
  ],
  test_prompt_with_image: () => [image, text('Please analyze the image above.')],
}

const PROMPT_ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  test_prompt_with_arguments: ['arg1', 'arg2'],
  test_prompt_with_embedded_resource: ['resourceUri'],
}

function makeServer(): Server {
  const server = new Server(
    { name: 'everything', version: '1.0.0' },
    { capabilities: { tools: {}, prompts: {}, resources: { subscribe: true }, logging: {}, completions: {} } },
  )
  server.setRequestHandler('tools/list', () => ({
    tools: Object.entries(TOOLS).map(([name, { inputSchema = { type: 'object' } }]) => ({
      name,
      description: name,
      inputSchema: { type: 'object' as const, ...inputSchema },
    })),
  }))
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const tool = TOOLS[params.name]
    if (tool === undefined) throw new ProtocolError(-32602, `there is no tool ${params.name}`)
    try {
      return { content: await tool.run(params.arguments ?? {}, context) }
    } catch (error) {
      return { isError: true, content: [text(String(error))] }
    }
  })
  server.setRequestHandler('prompts/list', () => ({
    prompts: Object.keys(PROMPTS).map(name => ({
      name,
      description: name,
      arguments: (PROMPT_ARGUMENTS[name] ?? []).map(argument => ({ name: argument, required: true })),
    })),
  }))
  server.setRequestHandler('prompts/get', ({ params }) => ({
    messages: (PROMPTS[params.name]?.(params.arguments ?? {}) ?? []).map(content => ({ role: 'user', content })),
  }))
  server.setRequestHandler('resources/list', () => ({
    resources: ['test://static-text', 'test://static-binary', 'test://watched-resource'].map(uri => ({
      uri,
      name: uri,
      mimeType: 'text/plain',
    })),
  }))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', mimeType: 'application/json' }],
  }))
  server.setRequestHandler('resources/read', ({ params: { uri } }) => {
    const [, id] = /^test:\/\/template\/(.*)\/data$/.exec(uri) ?? []
    if (uri === 'test://static-binary') return { contents: [{ uri, mimeType: 'image/png', blob: PNG }] }
    if (id === undefined) return { contents: [{ uri, mimeType: 'text/plain', text: 'This is static text.' }] }
    const value = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
    return { contents: [{ uri, mimeType: 'application/json', text: value }] }
  })
  server.setRequestHandler('resources/subscribe', () => ({}))
  server.setRequestHandler('resources/unsubscribe', () => ({}))
  server.setRequestHandler('completion/complete', () => ({
    completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false },
  }))
  return server
}

/** Remembers what was sent on every stream of a session, so that a client can go on where it was cut off. */
function memoryStore(): EventStore {
  const events: Array<{ readonly id: string; readonly stream: string; readonly message: Message }> = []
  return {
    async storeEvent(stream, message) {
      const id = randomUUID()
      events.push({ id, stream, message })
      return id
    },
    async replayEventsAfter(lastId, { send }) {
      const at = events.findIndex(({ id }) => id === lastId)
      const stream = events[at]?.stream ?? ''
      for (const event of events.slice(at + 1)) if (event.stream === stream) await send(event.id, event.message)
      return stream
    },
  }
}
type Message = Parameters<EventStore['storeEvent']>[1]
