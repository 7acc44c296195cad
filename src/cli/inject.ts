/** The command `sallyport inject` puts the gateway into Kubernetes manifests on their way to `kubectl`. */
import { readFileSync } from 'node:fs'
import { printable } from '../config/check/report.ts'
import { loadConfigForTool } from '../config/read/load.ts'
import { fileFailureText } from '../lib/failure-text.ts'
import { type ConfiguredSettings, fromConfig } from '../tools/inject/from-config.ts'
import { type Injected, inject } from '../tools/inject/inject.ts'
import type { PlacedText } from '../tools/k8s/manifests.ts'
import { DEFAULT_DRAIN_SECONDS, DEFAULT_PORTS, type SidecarPorts } from '../tools/k8s/sidecar-container.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, type CommandIo, type ExitCode, UsageError } from './command.ts'

export const injectCommand: Command = {
  help: `Usage: sallyport inject [-f FILE] [--config NAME] [--image REF] [--service] [-c FILE] [--port N]
                        [--check] [--allow-none]

Puts the gateway into each pod of Kubernetes manifests, YAML or JSON, and prints them: its container, its volumes and
the label sallyport: sidecar; probes of the service ask by way of it, and pods get the time that they need to end. All else
stays as it is written, comments included, and what has the gateway already is only brought up to date. What cannot be
injected is an error with its line, and then nothing is printed. Pods with the label sallyport: none are left out.

  -f, --file FILE      manifests; - or left out: standard input
  --config NAME        ConfigMap with sallyport.yaml; else as the pod's label sallyport-config says, else sallyport
  --image REF          image of the gateway, best with its digest; else sallyport, for a kustomization to replace
  --service            lead Services to the gateway that select these pods: targetPort becomes its port
  -c, --policy FILE    configuration that the ConfigMap holds: ports, upstreams, admin.appProbes and drain.timeout
                       are taken from it; else 8080, 9090 and 30s
  --port N             port of the service behind the gateway, where its pod has several; repeat it for more
  --check              print what is missing, and no manifests
  --allow-none         it is no error when there is nothing to inject

Exit codes: 0 injected, or nothing is missing; 1 something cannot be injected, or is missing; 2 wrong usage.

Examples:
  sallyport inject -f deploy.yaml --image registry.example.com/sallyport@sha256:4f1c… --service > guarded.yaml
  kubectl get deployment orders -o yaml | sallyport inject --config orders-policy | kubectl apply -f -
  helm template orders ./chart | sallyport inject -c sallyport.yaml --service | kubectl apply -f -
  sallyport inject -f deploy.yaml --check
`,
  async run(args, io) {
    const { values } = parsedArguments('inject', args, {
      options: {
        file: { type: 'string', short: 'f' },
        config: { type: 'string' },
        image: { type: 'string' },
        service: { type: 'boolean' },
        policy: { type: 'string', short: 'c' },
        port: { type: 'string', multiple: true },
        check: { type: 'boolean' },
        'allow-none': { type: 'boolean' },
      },
    })
    const configured = settings(values.policy, io)
    const appPorts = values.port?.map(text => portNumber(text, configured.ports)) ?? configured.appPorts
    const { file = '-', image } = values
    const injected = inject(manifestText(file), {
      ...configured,
      ...{ appPorts, image: imageName(image), configMap: configMapName(values.config) },
      file: file === '-' ? 'standard input' : file,
      services: values.service === true ? 'led' : 'told',
    })
    const none = values['allow-none'] === true ? 'allowed' : 'refused'
    if (failed(injected, none, io)) return 1
    return values.check === true ? checked(injected, io) : printed(injected, io)
  },
}

function failed(injected: Injected, none: 'allowed' | 'refused', io: CommandIo): boolean {
  const { problems, nothing } = injected
  print(problems, io.stderr)
  if (problems.length > 0) return true
  if (nothing === undefined || none === 'allowed') return false
  print([nothing], io.stderr)
  return true
}

function checked({ changes }: Injected, io: CommandIo): ExitCode {
  print(changes, io.stdout)
  return changes.length === 0 ? 0 : 1
}

function printed({ text, summary, notes }: Injected, io: CommandIo): ExitCode {
  io.stdout(text)
  print(summary, io.stderr)
  print(notes, io.stderr)
  return 0
}

function print(texts: readonly PlacedText[], write: (text: string) => void): void {
  write(texts.map(({ file, line, message }) => `${file}:${line}: ${printable(message)}\n`).join(''))
}

/** @throws {ConfigError} @throws {UsageError} it cannot work in a pod */
function settings(file: string | undefined, { env }: CommandIo): ConfiguredSettings {
  if (file === undefined)
    return { ports: DEFAULT_PORTS, appPorts: undefined, probePaths: undefined, drainSeconds: DEFAULT_DRAIN_SECONDS }
  try {
    return fromConfig(loadConfigForTool(file, env, 'unread'))
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${file} ${error.message}`)
    throw error
  }
}

/** @throws {UsageError} it cannot be read, or is in an encoding that kubectl does not read either */
function manifestText(file: string): string {
  const name = file === '-' ? 'standard input' : file
  const bytes = bytesOf(file, name)
  try {
    // The mark at the beginning is a part of the text that has to come out again.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const isWide = bytes[0] === 0xff || bytes[0] === 0xfe
    throw new UsageError(`${name} is ${isWide ? 'in UTF-16' : 'not in UTF-8'}; save it in UTF-8`)
  }
}

function bytesOf(file: string, name: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file)
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${fileFailureText(error)}`)
  }
}

function portNumber(text: string, { gateway, admin }: SidecarPorts): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new UsageError(`--port takes a port number, not ${text}`)
  if (port === gateway || port === admin)
    throw new UsageError(`--port names the port of the service, and ${port} is that of the gateway`)
  return port
}

function configMapName(name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  if (/\/|\.ya?ml$/.test(name))
    throw new UsageError(`--config names a ConfigMap, as in --config sallyport; the configuration file is -c ${name}`)
  if (name.length > 253 || !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name))
    throw new UsageError(`"${name}" is no name of a ConfigMap; it has small letters, digits, - and .`)
  return name
}

function imageName(image: string | undefined): string | undefined {
  if (image !== undefined && !/^[\w.:@/-]+$/.test(image))
    throw new UsageError(`"${image}" is no name of an image; write --image registry.example.com/sallyport@sha256:…`)
  return image
}
