import { METADEF_ACTIONS } from './metadef-actions.ts'

/** What the rule of an action can look at beside the caller. */
export type Scope = 'caller' | 'visibility' | 'image' | 'member'

export interface ActionEntry {
  /** The default rule, in the language of `readRule`. */
  readonly rule: string
  readonly scope: Scope
  /** Refused to read-only callers, whatever the rule says. */
  readonly writes: boolean
  /** What it is about, for the documentation. */
  readonly about: string
}

const own = 'role:admin or (role:member and project_id:%(owner)s)'
const service = 'role:admin or role:service or service_roles:service'
const knowsMember =
  'role:admin or (role:reader and (project_id:%(owner)s or project_id:%(member_id)s))'

const reads = (scope: Scope, rule: string, about: string): ActionEntry => ({
  rule,
  scope,
  writes: false,
  about
})
const writes = (scope: Scope, rule: string, about: string): ActionEntry => ({
  rule,
  scope,
  writes: true,
  about
})

/**
 * Who may do what, for every version of the API: the actions and defaults of the Image API v2.
 * Visibility comes before it: whatever the caller cannot see is "not found" and reaches no rule.
 */
export const ACTIONS = {
  get_images: reads('caller', 'role:reader', 'list images'),
  get_image: reads('caller', 'role:reader', 'show an image, its members and its tasks'),
  see_any_image: reads(
    'visibility',
    '!',
    'see every image of a visibility, whosever it is; administrators always do'
  ),
  download_image: reads('image', 'role:member', 'read the data of an image'),
  download_from_store: reads('image', 'role:member', 'say which store to read from (`prefer`)'),
  download_deactivated: reads('image', 'role:admin', 'read the data of a deactivated image'),
  add_image: writes(
    'image',
    own,
    'create an image for one’s own project, which is its `owner` here'
  ),
  set_owner: writes('image', 'role:admin', 'name another owner, at creation or later'),
  modify_image: writes('image', own, 'change attributes, properties and tags'),
  delete_image: writes('image', own, 'delete an image'),
  upload_image: writes('image', own, 'upload data'),
  deactivate: writes('image', own, 'take an image out of use'),
  reactivate: writes('image', own, 'take it into use again'),
  publicize_image: writes('image', 'role:admin', 'make an image public'),
  communitize_image: writes('image', own, 'make an image a community image'),
  copy_image: writes('image', 'role:admin', 'import method `copy-image`'),
  get_members: reads('member', knowsMember, 'list members; asked for each member'),
  get_member: reads('member', knowsMember, 'show one member'),
  add_member: writes('member', own, 'share an image with a project'),
  modify_member: writes(
    'member',
    'role:admin or (role:member and project_id:%(member_id)s and not project_id:%(owner)s)',
    'accept or reject a shared image'
  ),
  delete_member: writes('member', own, 'stop sharing an image'),
  add_image_location: writes(
    'image',
    `${service} or (role:member and project_id:%(owner)s)`,
    'add a location'
  ),
  fetch_image_location: reads('image', service, 'see where the data lies'),
  set_image_location: writes('image', own, 'add and describe locations by PATCH'),
  get_image_location: reads(
    'image',
    'role:admin or (role:reader and project_id:%(owner)s)',
    'see `locations` and `direct_url`; needed for removal from a store, too'
  ),
  delete_image_location: writes(
    'image',
    'role:admin',
    'remove an image from one of its stores, or a location by PATCH'
  ),
  stores_info_detail: reads('caller', service, 'see the details of stores'),
  tasks_api_access: reads('caller', 'role:admin', '`/v2/tasks`: list, show and start tasks'),
  ...METADEF_ACTIONS,
  cache_list: reads('caller', 'role:admin', 'list the images in the cache of a node and its queue'),
  cache_image: writes('caller', 'role:admin', 'queue an image for the cache'),
  cache_delete: writes('caller', 'role:admin', 'remove images from cache and queue'),
  list_cached_nodes: reads('caller', 'role:admin', 'ask which nodes have cached an image'),
  cache_clean: writes('caller', 'role:admin', 'remove what is stalled or gone from the cache'),
  cache_prune: writes('caller', 'role:admin', 'bring the cache down to its size limit')
} as const satisfies Record<string, ActionEntry>

export type Action = keyof typeof ACTIONS
