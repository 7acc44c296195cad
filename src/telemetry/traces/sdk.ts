/**
 * All of OpenTelemetry's SDK that is used, in one place, because the bundle has it in a file of its own: a gateway
 * without traces does not even read it.
 */
export { createTraceState, DiagLogLevel, diag, SpanKind, SpanStatusCode } from '@opentelemetry/api'
export { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
export { resourceFromAttributes } from '@opentelemetry/resources'
