/** What `sallyport dev` has to offer in place of what a configuration file names. */

export interface DevParts {
  /** `http://127.0.0.1:4000` */
  readonly issuerUrl: string
  /** Where the gateway listens in any case; undefined: where the file says, but on this machine only. */
  readonly gatewayPort: number | undefined
  readonly adminPort: number | undefined
  /** The services behind the gateway, by the id of their upstream; the empty id is the only one of the file. */
  readonly upstreams: ReadonlyMap<string, string>
  /** A file with the secret that the embedded issuer takes from this gateway. */
  readonly secretFile: string
  /** A file with a secret of 32 bytes, for sessions and for nonces. */
  readonly sessionKeyFile: string
}

/** Says of a place in the file what counts there while `sallyport dev` runs. */
export interface StandInNote {
  /** `providers.main.keys` */
  readonly at: string
  readonly text: string
}
