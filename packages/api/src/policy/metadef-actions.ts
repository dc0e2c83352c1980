import type { ActionEntry } from './actions.ts'

const reads = (about: string) =>
  ({ rule: 'role:reader', scope: 'caller', writes: false, about }) as const
/** Of these the rule sees `owner` and `visibility` of the namespace. */
const writes = (about: string) =>
  ({ rule: 'role:admin', scope: 'image', writes: true, about }) as const

/** Who may do what with metadata definitions; which namespaces a caller sees is decided before. */
export const METADEF_ACTIONS = {
  list_metadef_resource_types: reads('metadata definitions: list resource types'),
  get_metadef_namespaces: reads('list namespaces'),
  get_metadef_namespace: reads('show a namespace with all that is in it'),
  add_metadef_namespace: writes('make a namespace'),
  modify_metadef_namespace: writes('change what is said about a namespace'),
  delete_metadef_namespace: writes('delete a namespace'),
  get_metadef_resource_type: reads('list the resource types of a namespace'),
  add_metadef_resource_type_association: writes('link a namespace to a resource type'),
  remove_metadef_resource_type_association: writes('remove such a link'),
  get_metadef_objects: reads('list the objects of a namespace'),
  get_metadef_object: reads('show an object'),
  add_metadef_object: writes('add an object'),
  modify_metadef_object: writes('change an object'),
  delete_metadef_object: writes('delete one or all objects'),
  get_metadef_properties: reads('list the properties of a namespace'),
  get_metadef_property: reads('show a property'),
  add_metadef_property: writes('add a property'),
  modify_metadef_property: writes('change a property'),
  remove_metadef_property: writes('delete one or all properties'),
  get_metadef_tags: reads('list the tags of a namespace'),
  get_metadef_tag: reads('show a tag'),
  add_metadef_tags: writes('replace the list of tags, or add to it'),
  add_metadef_tag: writes('add a tag'),
  modify_metadef_tag: writes('rename a tag'),
  delete_metadef_tags: writes('delete all tags'),
  delete_metadef_tag: writes('delete a tag')
} as const satisfies Record<string, ActionEntry>
