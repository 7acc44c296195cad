/** A changed configuration reaches every worker, or none. */
import { request } from 'undici'
import { expect, test } from 'vitest'
import { configOf, requests, startWorkers, until, WORKERS } from './support.ts'

const DENYING = [{ id: 'some', path: '/allowed', access: 'public' }]

test('a changed file is in force in each', async () => {
  const { gateway, upstream, workers } = await startWorkers()
  const [before] = await workers()
  gateway.write('sallyport.yaml', { ...configOf(upstream), routes: DENYING })
  const { hash } = await gateway.logged({ msg: 'configuration reloaded' }, WORKERS)
  expect(hash).not.toBe(before?.config_hash)
  expect((await workers()).map(({ config_hash }) => config_hash)).toEqual([hash, hash])
  expect(await requests(`${gateway.url}/other`, 10)).toEqual(Array(10).fill(404))
  const metrics = await gateway.metrics()
  expect(metrics.get('sallyport_config_reloads_total{result="success"}')).toBe(WORKERS)
  expect([...metrics.keys()].filter(name => name.startsWith('sallyport_config_info'))).toEqual([
    `sallyport_config_info{hash="${hash}"}`,
  ])
})

test('SIGHUP has each load it again', async () => {
  const { gateway, workers } = await startWorkers()
  gateway.process.child.kill('SIGHUP')
  await gateway.logged({ msg: 'configuration reloaded', trigger: 'SIGHUP' }, WORKERS)
  const reloaded = gateway.lines().flatMap(({ msg, worker }) => (msg === 'configuration reloaded' ? [worker] : []))
  expect(reloaded.toSorted()).toEqual((await workers()).map(({ pid }) => pid).toSorted())
})

test('another number of workers needs a restart, and a file that asks for it is rejected as a whole', async () => {
  const { gateway, upstream } = await startWorkers()
  gateway.write('sallyport.yaml', { ...configOf(upstream), workers: WORKERS + 1, routes: DENYING })
  expect(await gateway.logged({ msg: 'configuration rejected, the old one stays' }, WORKERS)).toMatchObject({
    problems: ['workers: was changed, which needs a restart; nothing was applied'],
  })
  expect((await gateway.metrics()).get('sallyport_config_last_reload_successful')).toBe(0)
  const configOfAll = async () => (JSON.parse((await gateway.admin('/-/status')).text) as { config: unknown }).config
  expect(await configOfAll()).toMatchObject({
    last_rejected: { trigger: 'change', problems: [expect.stringContaining('needs a restart')] },
  })
  expect(await requests(`${gateway.url}/other`, 4)).toEqual(Array(4).fill(200))
  gateway.write('sallyport.yaml', { ...configOf(upstream), routes: DENYING })
  await gateway.logged({ msg: 'configuration reloaded' }, WORKERS)
  const metrics = await until(gateway.metrics, found => found.get('sallyport_config_last_reload_successful') === 1)
  expect(metrics.get('sallyport_config_reloads_total{result="failure"}')).toBe(WORKERS)
  expect(await configOfAll()).not.toHaveProperty('last_rejected')
  const { statusCode, body } = await request(`${gateway.url}/other`)
  await body.dump()
  expect(statusCode).toBe(404)
})
