/**
 * What `sallyport dev` loads when it starts, and no other command: the issuer, the service and the file of the demo.
 *
 * With oidc-provider under it, that is more code than the whole gateway, so the bundle has it in a file of its own:
 * src/build/dev-apart.ts. An image for servers leaves that file out.
 */
export { startDemoService } from './demo-service.ts'
export { startIssuer } from './issuer.ts'
export { DEMO_CONFIG } from './static-files.ts'
