/** Rules about the input itself: what is not put together yet, and what is to be ignored. */
import { didYouMean } from '../../../config/schema/suggest.ts'
import { FINDING_IDS } from './finding-table.ts'
import { ignoredIds, isFindingId } from './ignored.ts'
import { perPod, type Rules } from './rule.ts'
import { at } from './spot.ts'

export const inputRules = {
  'kustomization-unrendered': ({ kustomizations }) =>
    kustomizations.map(({ root }) => {
      const { file } = root.document
      const folder = file.includes('/') ? file.slice(0, file.lastIndexOf('/')) : '.'
      return {
        at: at(root, 'kind'),
        what: 'kustomize has not put this folder together yet, so patches, images and ConfigMaps are not seen as they will be',
        wanted: 'what `kubectl kustomize` prints',
        seen: 'the parts of it',
        remedy: `Lint what is applied: \`kubectl kustomize ${folder} | sallyport k8s lint -f -\`.`,
      }
    }),
  'ignore-unknown': perPod(({ object, template }) =>
    [object.root, ...(template.path.length === 0 ? [] : [template])].flatMap(root => {
      const { spot, ids } = ignoredIds(root)
      return ids
        .filter(id => !isFindingId(id))
        .map(id => ({
          at: spot,
          what: `there is no finding \`${id}\` to ignore.${didYouMean(id, FINDING_IDS)}`,
          wanted: 'ids of findings, with commas between them',
          seen: `\`${id}\``,
        }))
    }),
  ),
} satisfies Rules
